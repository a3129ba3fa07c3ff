/** The shapes of the server's answers that this page reads; `docs/page.md` says what they mean. */

export interface Card {
  id: string;
  title: string;
  text: string;
  count: number;
  tail: boolean;
}

export interface StoryUser {
  id: string;
  name: string;
  history: string[];
  target: string;
  why: string;
}

/** What a step costs at one setting, the share of ndcg@10 that is lost, and the tail's share of the first ten. */
export interface Price {
  at: number;
  loss: number;
  tail_share: number;
}

export interface About {
  model: string;
  items: number;
  signals: string[];
  language: string[];
  free_text: boolean;
  story: { rule: string; users: StoryUser[] } | null;
  prices: { dataset: string; queries: number; dials: Record<string, Price[]> } | null;
  explore_moves: number | null;
  /** Models that a request may name, by what it calls them. */
  beside: Record<string, string>;
  /** Version of the file of policies that rank for everybody; empty if there is none. */
  policies: string;
}

export interface Candidates {
  by: string;
  candidates: { id: string; score: number }[];
}

export interface Explanation {
  because: string;
  by_event: Record<string, number[]>;
  moves: { step: string; before: number; after: number }[];
  above?: string;
}

export interface RankedItem {
  id: string;
  score: number;
  rank: number;
  previous_rank: number;
  contributions?: Record<string, number>;
  explanation?: Explanation;
}

export interface Ranking {
  ranking_id: string;
  model: string;
  took_ms: number;
  degraded: boolean;
  reason?: string;
  items: RankedItem[];
  events?: string[];
}

export interface Points {
  by: string;
  ids: string[];
  x: number[];
  y: number[];
  tail: number[];
}

export interface OwnItem {
  id: string;
  title: string;
  score: number;
  rank: number;
  previous_rank: number;
}
