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

test("durations grow from milliseconds to hours", () => {
  expect([212, 1400, 271_233, 7_500_000].map(en.duration)).toEqual(["212 ms", "1.4 s", "4m 31s", "2h 5m"]);
});

test("numbers are grouped, and a share has one decimal", () => {
  expect(en.number(1882)).toBe("1,882");
  expect(ko.percent(0.011)).toBe("1.1%");
  expect(en.bytes(1234)).toBe("1.2 KB");
});

test("relative times say now for a moment, then minutes, hours and days", () => {
  const later = (seconds: number) => new Date(AT.getTime() + seconds * 1000);
  expect(en.relative(AT, later(5))).toBe("now");
  expect(ko.relative(AT, later(180))).toBe("3분 전");
  expect(ko.relative(AT, later(7200))).toBe("2시간 전");
  expect(en.relative(AT, later(26 * 86_400))).toBe("26 days ago");
});
