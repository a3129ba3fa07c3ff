/** What is asked for again and again, as long as the server is there. */
import { useCallback, useEffect, useState } from "preact/hooks";
import { Refusal, ask } from "./api";

/** Whether the server can be reached, and answers. */
export type Reach = "connecting" | "live" | "down" | "key" | "refused";

export interface Polled<T> {
  found: T | null;
  /** What the server said instead. */
  why: string;
  /** Take what another answer said already. */
  set: (found: T) => void;
  again: () => void;
}

export function usePolledWhile<T>(isLive: boolean, path: string, seconds: number): Polled<T> {
  const [found, setFound] = useState<T | null>(null);
  const [why, setWhy] = useState("");
  const look = useCallback(async () => {
    try {
      setFound(await ask<T>(path));
      setWhy("");
    } catch (refused) {
      if (!(refused instanceof Refusal)) throw refused;
      if (refused.status === 0) return; // the page says so
      setFound(null);
      setWhy(refused.message);
    }
  }, [path]);
  useEffect(() => {
    if (!isLive) return;
    void look();
    const timer = setInterval(look, 1_000 * seconds);
    return () => clearInterval(timer);
  }, [isLive, look, seconds]);
  return { found, why, set: setFound, again: () => void look() };
}
