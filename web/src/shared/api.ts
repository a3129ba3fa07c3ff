/** Requests to the server that sent this page. */

/** What the server said instead of an answer; `status` is 0 if it couldn't be reached. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

let key = "";

/** Keep the key that the reader typed: in memory alone, so that closing the page forgets it. */
export function useKey(typed: string): void {
  key = typed;
}

/** The header that shows the key, if there is one. */
export function authorization(): Record<string, string> {
  return key ? { authorization: `Bearer ${key}` } : {};
}

/** Ask the server; a body makes it a POST unless a method is named. */
export async function ask<T>(path: string, body?: unknown, method = body === undefined ? "GET" : "POST"): Promise<T> {
  const headers = authorization();
  if (body !== undefined) headers["content-type"] = "application/json";
  let response: Response;
  try {
    response = await fetch(path, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  } catch {
    throw new Refusal(0, "The server can't be reached.");
  }
  const answer: unknown = await response.json().catch(() => ({}));
  if (!response.ok) {
    const { error } = answer as { error?: string };
    throw new Refusal(response.status, error === undefined ? `The server answered ${response.status}.` : inWords(error));
  }
  return answer as T;
}

/** An error without the path in the JSON, which no reader of a page wrote; of several items, which one. */
function inWords(error: string): string {
  return error.replace(/ - at `\$(?:\.items\[(\d+)\])?[^`]*`/g, (_, at?: string) => (at ? ` (item ${Number(at) + 1})` : ""));
}
