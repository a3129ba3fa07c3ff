/** The request behind a list as one would write it elsewhere; a key is never in it. */

interface Body {
  candidates: string[];
  history: unknown[];
  [setting: string]: unknown;
}

const RANK = "/v1/rank";

/** For a shell. */
export function curl(body: object, key: boolean, path = RANK): string {
  const lines = [`curl -s ${location.origin}${path}`, "-H 'content-type: application/json'"];
  if (key) lines.push('-H "Authorization: Bearer $TAILRANK_KEY"');
  lines.push(`-d '${JSON.stringify(body).replaceAll("'", "'\\''")}'`);
  return lines.join(" \\\n  ");
}

/** For Python, by the client library. */
export function python(body: object, key: boolean, path = RANK): string {
  if (path !== RANK) return posted(body, key, path);
  const { candidates, history, ...settings } = body as Body;
  const given = Object.entries(settings).map(([name, value]) => `    ${name}=${literal(value)},\n`);
  return [
    key ? "import os\n\n" : "",
    history.some((event) => typeof event !== "string") ? "from tailrank.api import HistoryEvent\n" : "",
    "from tailrank.client import Client\n\n",
    `with Client(${literal(location.origin)}${key ? ', key=os.environ["TAILRANK_KEY"]' : ""}) as client:\n`,
    "  ranking = client.rank(\n",
    `    ${literal(candidates)},\n`,
    `    history=[${history.map(event).join(", ")}],\n`,
    ...given,
    "  )\n",
    "  for item in ranking.items[:10]:\n    print(item.rank, item.id, round(item.score, 2))\n",
  ].join("");
}

/** For Python, without the client library. */
function posted(body: object, key: boolean, path: string): string {
  return [
    key ? "import os\n\n" : "",
    "import httpx\n\n",
    `answer = httpx.post(\n    ${literal(location.origin + path)},\n    json=${literal(body)},\n`,
    key ? `    headers={"authorization": f"Bearer {os.environ['TAILRANK_KEY']}"},\n` : "",
    ").json()\n",
    'for item in answer["ranking"]["items"][:10]:\n    print(item["rank"], item["id"], round(item["score"], 2))\n',
  ].join("");
}

function event(given: unknown): string {
  if (typeof given === "string") return literal(given);
  return `HistoryEvent(${Object.entries(given as object)
    .map(([name, value]) => `${name}=${literal(value)}`)
    .join(", ")})`;
}

/** A value of JSON in Python: texts are written alike, but for what is none of ASCII. */
function literal(value: unknown): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value === "object") {
    return `{${Object.entries(value)
      .map(([name, each]) => `${literal(name)}: ${literal(each)}`)
      .join(", ")}}`;
  }
  return JSON.stringify(value);
}
