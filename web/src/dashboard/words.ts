/** Numbers and times, as they are read. */

export function number(value: number | null | undefined, digits = 0): string {
  if (value === null || value === undefined) return "–";
  return value.toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: 0 });
}

/** Three significant digits. */
export function short(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  return Number(value.toPrecision(3)).toLocaleString("en", { maximumSignificantDigits: 3 });
}

export function percent(share: number | null | undefined, digits = 1): string {
  return share === null || share === undefined ? "–" : `${number(100 * share, digits)}%`;
}

/** A moment, given in seconds since 1970. */
export function moment(seconds: number): string {
  return new Date(1_000 * seconds).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
}

export function clock(seconds: number): string {
  return new Date(1_000 * seconds).toLocaleTimeString("en-GB");
}
