#!/usr/bin/env bash
# zensical 0.0.73.
#
# `[project.plugins.offline]` is documented as what lets a site be searched if its pages are opened as files. Seen: with
# it, every page loads a script from another host, `iframe-worker/shim`; without it, none loads anything from elsewhere.
# So without a network the search, which is what the plugin is for, says "Search is unavailable" (Chromium, pages opened
# as files).
#
# Output seen:
#   pages that load a script from another host, without the plugin: 0
#   pages that load a script from another host, with the plugin: 2
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
elsewhere='<script[^>]* src="https://[^"]*/iframe-worker/shim"'
loading() { # PLUGIN HOW EXPECTED
  printf '%s\n%s\n' "$configuration" "$1" > zensical.toml
  "$work/venv/bin/zensical" build --clean > /dev/null
  pages=$(grep -lE "$elsewhere" site/*.html | wc -l || true)
  echo "pages that load a script from another host, $2 the plugin: $pages"
  [ "$pages" = "$3" ]
}
loading '' without 0
loading '[project.plugins.offline]' with 2
