/** What is asked for again and again, as long as the stream goes on. */
import { type Polled, usePolledWhile } from "../shared/polled";
import { reach } from "./live";

export function usePolled<T>(path: string, seconds: number): Polled<T> {
  return usePolledWhile<T>(reach.value === "live", path, seconds);
}
