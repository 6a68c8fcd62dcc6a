import { expect, test } from "vitest";
import { makeFormat } from "./format";

const AT = new Date("2026-11-23T05:09:06Z");
const en = makeFormat("en", "Asia/Seoul");
const ko = makeFormat("ko", "Asia/Seoul");

test("times are of 24 hours, in the chosen zone, and alike in both languages", () => {
  for (const format of [en, ko]) {
    expect(format.time(AT)).toBe("14:09:06");
    expect(format.date(AT)).toBe("2026-11-23");
    expect(format.day(AT)).toBe("11-23");
  }
  expect(makeFormat("en", "UTC").time(new Date("2026-11-23T00:00:00Z"))).toBe("00:00:00");
});

test("what was reckoned for one time holds for those around it, in zones that are apart by parts of an hour", () => {
  const nepal = makeFormat("en", "Asia/Kathmandu");
  const newYork = makeFormat("en", "America/New_York");
  const said = (format: typeof nepal, at: string) => {
    const date = new Date(at);
    return `${format.date(date)} ${format.time(date)}`;
  };

  expect(said(nepal, "2026-11-26T18:00:00Z")).toBe("2026-11-26 23:45:00");
  expect(said(nepal, "2026-11-26T18:14:59.999Z")).toBe("2026-11-26 23:59:59");
  expect(said(nepal, "2026-11-26T18:15:00Z")).toBe("2026-11-27 00:00:00");
  expect(said(newYork, "2026-11-01T05:59:59Z")).toBe("2026-11-01 01:59:59");
  expect(said(newYork, "2026-11-01T06:00:01Z")).toBe("2026-11-01 01:00:01");
});

test("a zone nobody knows is as if none had been chosen", () => {
  const unknown = makeFormat("en", "Mars/Olympus");

  expect(unknown.time(AT)).toBe(makeFormat("en", "").time(AT));
  expect(unknown.timeZone).toBe(Intl.DateTimeFormat().resolvedOptions().timeZone);
});

test("durations grow from milliseconds to hours", () => {
  expect([212, 1400, 271_233, 7_500_000].map(en.duration)).toEqual(["212 ms", "1.4 s", "4m 31s", "2h 5m"]);
});

test("numbers are grouped, and a share has one decimal", () => {
  expect(en.number(1882)).toBe("1,882");
  expect(ko.percent(0.011)).toBe("1.1%");
  expect([1234, 5_600_000, 76_798_500_000].map(en.bytes)).toEqual(["1.2 KB", "5.6 MB", "76.8 GB"]);
});

test("relative times say now for a moment, then minutes, hours and days", () => {
  const later = (seconds: number) => new Date(AT.getTime() + seconds * 1000);
  expect(en.relative(AT, later(5))).toBe("now");
  expect(ko.relative(AT, later(180))).toBe("3분 전");
  expect(ko.relative(AT, later(7200))).toBe("2시간 전");
  expect(en.relative(AT, later(26 * 86_400))).toBe("26 days ago");
});
