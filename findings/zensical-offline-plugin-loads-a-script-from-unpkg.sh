#!/usr/bin/env bash
# zensical 0.0.73.
#
# `[project.plugins.offline]` is documented as what lets a site be searched if its pages are opened as files. Seen: with
# it, every page loads https://unpkg.com/iframe-worker/shim, of no fixed version and without `integrity`; without it, none
# loads anything from elsewhere. So without a network the search, which is what the plugin is for, says "Search is
# unavailable" (Chromium, pages opened as files). With a network, whoever controls that address runs code in every page.
#
# Output seen:
#   pages that load from another host, without the plugin: 0
#   pages that load from another host, with the plugin: 2
#   <script src="https://unpkg.com/iframe-worker/shim"
#
# What works: no plugin, and pages served on the machine itself. `tailrank docs` does so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check zensical==0.0.73
mkdir "$work/docs"
echo '# A page' > "$work/docs/index.md"
cd "$work"
configuration='[project]
site_name = "site"
docs_dir = "docs"
use_directory_urls = false
[project.theme]
font = false
[project.plugins.search]'
elsewhere='<script[^>]* src="https://[^"]*"'
for plugin in '' '[project.plugins.offline]'; do
  printf '%s\n%s\n' "$configuration" "$plugin" > zensical.toml
  "$work/venv/bin/zensical" build --clean > /dev/null
  pages=$(grep -lE "$elsewhere" site/*.html | wc -l || true)
  echo "pages that load from another host, $([ "$plugin" ] && echo with || echo without) the plugin: $pages"
done
grep -ohE "$elsewhere" site/*.html | sort -u
