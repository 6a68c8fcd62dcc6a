import { expect, test } from "vitest";
import { clock } from "./clock";
import { axisLabels } from "./histogram";
import { sparkPath } from "./sparkline";

test("a sparkline begins at the left, and a gap stays a gap", () => {
  expect(sparkPath([0, 10], 10, 12)).toBe("M0 11L10 1");
  expect(sparkPath([1, null, 1], 10, 12)).toBe("M0 11M10 11");
});

test("an axis names the first and the last bin, and no more than there are", () => {
  const bins = [0, 10, 20, 30].map((at) => ({ at }));
  expect(axisLabels(bins, 3)).toEqual([0, 15, 30]);
  expect(axisLabels(bins, 9)).toEqual([0, 10, 20, 30]);
  expect(axisLabels([], 9)).toEqual([]);
  expect(axisLabels([{ at: 5 }], 9)).toEqual([5]);
});

test("an axis says seconds only where its marks lie within a minute", () => {
  expect(clock("14:09:06", 5_000)).toBe("14:09:06");
  expect(clock("14:09:06", 60_000)).toBe("14:09");
});
