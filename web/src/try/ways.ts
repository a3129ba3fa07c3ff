/** How a list may be made: what this server can do, and no more. */
import { policy, untouched } from "./dials";
import type { About } from "./types";

/** What a way adds to a request; null asks nothing: the upstream order. */
interface Way {
  name: string;
  body: object | null;
}

/** The ways of a server, by their keys; of one that hasn't said yet what it has, those that all have. */
export function waysOf(about: About | null): Record<string, Way> {
  const always = { upstream: { name: "upstream order", body: null }, tailrank: { name: "tailrank", body: {} } };
  if (about === null) return always;
  const { signals, language, explore_moves, policies, beside } = about;
  const both = signals.includes("tuned") && signals.includes("semantic");
  const none = policy({ ...untouched(explore_moves), exploration: 0 }, explore_moves);
  return {
    ...always,
    ...(language.length && { words: { name: "without the language model", body: { without: language } } }),
    ...(both && {
      frozen: { name: "without the tuned encoder", body: { without: ["tuned"] } },
      tuned: { name: "without the frozen encoder", body: { without: ["semantic"] } },
    }),
    plain: { name: policies ? "with the server's policies alone" : "without policies", body: { policy: none } },
    ...Object.fromEntries(
      Object.keys(beside).map((model) => [`model ${model}`, { name: `model ${model}`, body: { model } }]),
    ),
  };
}
