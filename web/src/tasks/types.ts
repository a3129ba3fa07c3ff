/** What the server answers, as its description at /docs has it. */

export interface Task {
  name: string;
  kind: string;
  labels: string[];
  texts: number;
  held_out: Record<string, number | null>;
}

export interface Desk {
  entries: number;
  slots: string[];
  wrong: number;
  confidence: number;
  threshold: number | null;
}

export interface TasksPage {
  tasks: Task[];
  desk: Desk | null;
  monitor: boolean;
}

export interface Prediction {
  label: string;
  chance: number;
  refused: boolean;
  labels: { label: string; chance: number }[];
}

export interface SupportEntry {
  entry_id: string;
  question: string;
  chance: number;
}

export interface SupportAnswer {
  decision: "answer" | "ask" | "hand over";
  text: string | null;
  clarifying_question: string | null;
  entry_id: string;
  entry_question: string;
  chance: number;
  read: string;
  others: SupportEntry[];
}

export interface SeriesName {
  topic: string;
  entity: string;
}

export interface ToldSubscriber {
  subscriber: string;
  is_up: boolean | null;
}

export interface MonitorAlert extends SeriesName {
  id: string;
  kind: string;
  since: number;
  until: number;
  why: string;
  words: string[];
  summary: string[];
  evidence: { id: string; timestamp: number; text: string }[];
  also: SeriesName[];
  told: ToldSubscriber[];
}

export interface AlertThumbStored {
  subscriber: string;
  alert: string;
  is_up: boolean;
  severity: number;
}

export interface MonitorAlerts {
  now: number | null;
  counters: Record<string, number>;
  total: number;
  alerts: MonitorAlert[];
}

export interface MonitorSeries {
  days: number;
  total: number;
  series: (SeriesName & { texts: number })[];
}

export interface SeriesCounts extends SeriesName {
  kind: string;
  seconds: number;
  starts: number[];
  texts: number[];
  negative: number[];
  expected: (number | null)[];
}
