/** What the server tells: see `tailrank.api_live` and `tailrank.api_reports`. */

export interface Live {
  time: number;
  window: number;
  model: string;
  items: number;
  catalogue: Record<string, number>;
  /** The share of all events in training that each tenth of the items has, the most popular first. */
  deciles: number[];
  policies: string;
  rankings: {
    total: number;
    refused: number;
    per_second: number | null;
    p50_ms: number | null;
    p99_ms: number | null;
  };
  events: { total: number; per_second: number | null; lag_p50: number | null; lag_p99: number | null };
  degraded: Record<string, number>;
  shed: number;
  exposure: { head: number; tail: number; tail_share: number | null };
  alerts: number | null;
  logs: ShownOfLog[] | null;
  learning: { outcomes: number; since: number } | null;
  missing: Record<string, string>;
}

/** Count bucket, rank, how often shown, how often clicked. */
export type ClicksAt = [string, number, number, number];

export interface ShownOfLog {
  log: string;
  machine: string;
  since: number;
  lists: number;
  items: number;
  settled: number;
  clicks: ClicksAt[];
  gini: number | null;
  /** Shares of the catalogue, the most shown first, and of all that was shown. */
  exposure: [number, number][];
  /** How many of the first ten items of all lists were of each tenth of the catalogue, the most popular first. */
  deciles: number[];
}

export interface Weights {
  signals: string[];
  histories: string[];
  past: { time: number; outcomes: number; mean: number[][]; sd: number[][] }[];
}

export interface Alert {
  kind: string;
  subject: string;
  since: number;
  until?: number;
  message: string;
  remedy: string;
  machine: string;
}

export interface Alerts {
  opened: Alert[];
  closed: Alert[];
  watched: { log: string; machine: string; time: number; missing?: string }[];
}

export interface Interval {
  mean: number | null;
  low: number | null;
  high: number | null;
}

export interface Finding {
  name: string;
  status: "passed" | "failed" | "unclear";
  reason: string;
}

export interface Experiment {
  control: string;
  challenger: string;
  compare: string;
  rankings: number;
  since: number;
  until: number;
  verdict: "ship" | "hold" | "roll back";
  reasons: string[];
  gates: Finding[];
  guardrails: Finding[];
  effect: { metric: string; control: number | null; treatment: number | null; difference: Interval };
  days: { until: number; rankings: number; difference: Interval }[];
}

export interface Review {
  item_id: string;
  status: string;
  since: number;
  why: string;
  text: string;
  fingerprint: string;
  /** Verdicts by market. */
  markets?: Record<string, "approve" | "reject">;
  /** Whether it is held, by market; the empty name stands for those that aren't named. */
  held?: Record<string, boolean>;
}

export interface Rule {
  id: string;
  when: string;
  then: string;
  rank: number | null;
  by: number | null;
  context: Record<string, unknown[]>;
  history: string | null;
  since: number | null;
  until: number | null;
}

export interface Policies {
  version: string;
  steps: { name: string; settings: Record<string, unknown> }[];
}

export interface ModelVersion {
  version: string;
  status: string;
  made: string;
  data: string | null;
  learned_until: string | null;
  gate: { candidate?: number; current?: number; passed?: boolean } | null;
  bytes: number;
}
