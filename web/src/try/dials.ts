/** The sliders: settings of the steps after the score, and what they cost. */
import { signal } from "@preact/signals";
import type { Price } from "./types";

export interface Dial {
  name: string;
  says: string;
  make: (value: number) => object;
}

export const DIALS = {
  tail: {
    name: "Long tail",
    says: "lifts rare items",
    make: (strength: number) => ({ name: "tail", strength }),
  },
  mmr: {
    name: "Diversity",
    says: "keeps items that read alike apart",
    make: (strength: number) => ({ name: "diversity", strategy: "mmr", strength }),
  },
  exploration: {
    name: "Exploration",
    says: "ranks that an item may move to be tried",
    make: (moves: number) => ({ name: "exploration", moves }),
  },
} satisfies Record<string, Dial>;

export type DialName = keyof typeof DIALS;
export type Settings = Record<DialName, number>;

/** What the sliders say; null leaves it to the model's own policy. */
export const dials = signal<Settings | null>(null);

/** Whether a slider is held: then lists come without sentences. */
export const dragged = signal(false);

/** The sliders of a server that explores by so many ranks, or not at all. */
export function names(explores: number | null): DialName[] {
  return explores ? ["tail", "mmr", "exploration"] : ["tail", "mmr"];
}

/** Where sliders stand that nobody moved: a server that explores goes on with that, as far as it may. */
export function untouched(explores: number | null): Settings {
  return { tail: 0, mmr: 0, exploration: explores ?? 0 };
}

/** The steps that the sliders ask for: all that differs from a list without any policy. */
export function policy(settings: Settings, explores: number | null): object[] {
  const none: Settings = untouched(explores);
  return names(explores)
    .filter((name) => settings[name] !== none[name])
    .map((name) => DIALS[name].make(settings[name]));
}

/** What a setting costs, between the two measured next to it; null beyond what was measured. */
export function priceAt(measured: Price[], value: number): Omit<Price, "at"> | null {
  const above = measured.findIndex(({ at }) => at >= value);
  if (above === -1) return null;
  const [low, high] = [measured[Math.max(0, above - 1)]!, measured[above]!];
  const share = high.at > low.at ? (value - low.at) / (high.at - low.at) : 0;
  const between = (a: number, b: number) => a + share * (b - a);
  return { loss: between(low.loss, high.loss), tail_share: between(low.tail_share, high.tail_share) };
}
