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

const HOUR_UTC = new Intl.DateTimeFormat("en-GB", {
  timeZone: "UTC",
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
});

/** A moment of these days by UTC, given in seconds since 1970. */
export function hourUtc(seconds: number): string {
  return HOUR_UTC.format(1_000 * seconds);
}

/** How long ago a moment is, given in seconds since 1970; one of more than an hour ago as local time. */
export function ago(seconds: number, now: number): string {
  const passed = Math.max(0, Math.round(now - seconds));
  if (passed < 60) return `${passed} s ago`;
  return passed < 3_600 ? `${Math.floor(passed / 60)} min ago` : moment(seconds);
}

/** A text of the server with its moments in local time. */
export function local(text: string): string {
  return text.replace(/(\d{4}-\d\d-\d\d) (\d\d:\d\d)(?::\d\d)?(?: UTC|\+00:00)/g, (_, day: string, time: string) =>
    moment(Date.parse(`${day}T${time}Z`) / 1_000),
  );
}
