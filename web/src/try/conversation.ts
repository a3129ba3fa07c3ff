/** What was said of the lists, and what the server made of it. */
import { signal } from "@preact/signals";
import { ask } from "../shared/api";

export interface Turn {
  text: string;
  changes: object[];
}

export interface Conversation {
  turns: Turn[];
  shown: string[];
}

export interface Heard {
  understood: { said: string; means: string }[];
  not_understood: string[];
  conversation: Conversation;
}

/** The turns that the lists go by. */
export const turns = signal<Turn[]>([]);

/** What each of them means, in words. */
export const meanings = signal<string[]>([]);

/** Parts of the last turn that nothing was made of. */
export const missed = signal<string[]>([]);

/** Say something of a list whose first items are shown. */
export async function say(text: string, shown: string[]): Promise<void> {
  const conversation = { turns: turns.value, shown };
  const heard = await ask<Heard>("/v1/conversation", { text, request: { candidates: [] }, conversation });
  const now = heard.conversation.turns;
  const means = heard.understood.map((each) => each.means).join("; ");
  const isKept = now.at(-1) !== undefined && now.at(-1)!.text === text && means !== "";
  meanings.value = isKept ? [...meanings.value.slice(0, now.length - 1), means] : meanings.value.slice(0, now.length);
  missed.value = heard.not_understood;
  turns.value = now;
}

/** Begin anew. */
export function forget(): void {
  turns.value = [];
  meanings.value = [];
  missed.value = [];
}

/** Take the last turn back. */
export function undo(): void {
  turns.value = turns.value.slice(0, -1);
  meanings.value = meanings.value.slice(0, -1);
  missed.value = [];
}
