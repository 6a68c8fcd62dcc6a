import type { Language } from "./index";

const TAGS: Record<Language, string> = { en: "en-GB", ko: "ko-KR" };
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const QUARTER = 15 * MINUTE * 1000; // milliseconds
const MOST_QUARTERS = 2000;

/** A script may have chosen a zone that this browser has never heard of, and Intl would throw at it. */
function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false; // also for "", the browser's own
  }
}

/** How numbers, times and durations are written in a language and a time zone. Times are always of 24 hours. */
export function makeFormat(language: Language, timeZone: string) {
  const tag = TAGS[language];
  const zone = isTimeZone(timeZone) ? timeZone : undefined;
  const number = new Intl.NumberFormat(tag);
  const percent = new Intl.NumberFormat(tag, {
    style: "percent",
    minimumFractionDigits: 1,
    maximumFractionDigits: 1,
  });
  const relative = new Intl.RelativeTimeFormat(tag, { numeric: "always", style: "short" });
  // The parts are put together here, so that both languages have the same short forms.
  const parts = new Intl.DateTimeFormat("en-CA", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  });
  const quarters = new Map<number, Record<string, string>>();
  /** A list of ten thousand times is written at once: Intl is asked for each quarter of an hour, and the rest counted. No
   * zone is apart from UTC by less than quarters. */
  const pieces = (at: Date): Record<string, string> => {
    const quarter = Math.floor(at.getTime() / QUARTER);
    let found = quarters.get(quarter);
    if (found === undefined) {
      if (quarters.size >= MOST_QUARTERS) quarters.clear();
      const begins = parts.formatToParts(quarter * QUARTER).map(({ type, value }) => [type, value]);
      found = Object.fromEntries(begins) as Record<string, string>;
      quarters.set(quarter, found);
    }
    const seconds = Math.floor((at.getTime() - quarter * QUARTER) / 1000);
    const minute = Number(found.minute) + Math.floor(seconds / MINUTE);
    return { ...found, minute: twoDigits(minute), second: twoDigits(seconds % MINUTE) };
  };

  return {
    language,
    timeZone: zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone,
    /** 1,882 */
    number: (value: number) => number.format(value),
    /** 0.011 → 1.1% */
    percent: (fraction: number) => percent.format(fraction),
    /** 212 ms, 1.4 s, 4m 31s, 2h 5m */
    duration,
    /** 128 B, 1.2 KB, 3.4 MB; of 1,000 bytes */
    bytes,
    /** 14:09:06 */
    time(at: Date) {
      const { hour, minute, second } = pieces(at);
      return `${hour}:${minute}:${second}`;
    },
    /** 2026-11-23 */
    date(at: Date) {
      const { year, month, day } = pieces(at);
      return `${year}-${month}-${day}`;
    },
    /** 11-23 */
    day(at: Date) {
      const { month, day } = pieces(at);
      return `${month}-${day}`;
    },
    /** 3 hr. ago, 3시간 전; now for less than ten seconds */
    relative(at: Date, now: Date) {
      const seconds = Math.round((at.getTime() - now.getTime()) / 1000);
      const size = Math.abs(seconds);
      if (size < 10) return language === "ko" ? "방금" : "now";
      if (size < MINUTE) return relative.format(seconds, "second");
      if (size < HOUR) return relative.format(Math.round(seconds / MINUTE), "minute");
      if (size < DAY) return relative.format(Math.round(seconds / HOUR), "hour");
      return relative.format(Math.round(seconds / DAY), "day");
    },
  };
}

export type Format = ReturnType<typeof makeFormat>;

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}

export function duration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < MINUTE) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)}m ${whole % MINUTE}s`;
  return `${Math.floor(whole / HOUR)}h ${Math.round((whole % HOUR) / MINUTE)}m`;
}

export function bytes(count: number): string {
  if (count < 1000) return `${count} B`;
  if (count < 1_000_000) return `${(count / 1000).toFixed(1)} KB`;
  if (count < 1_000_000_000) return `${(count / 1_000_000).toFixed(1)} MB`;
  return `${(count / 1_000_000_000).toFixed(1)} GB`;
}
