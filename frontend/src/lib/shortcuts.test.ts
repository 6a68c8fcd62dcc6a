// @vitest-environment jsdom
import { expect, test } from "vitest";
import { isTyping, says } from "./shortcuts";

const key = (init: KeyboardEventInit) => new KeyboardEvent("keydown", init);

test("mod is Ctrl or ⌘, and a plain key has neither", () => {
  expect(says(key({ key: "k", ctrlKey: true }), "mod+k")).toBe(true);
  expect(says(key({ key: "K", metaKey: true }), "mod+k")).toBe(true);
  expect(says(key({ key: "k" }), "mod+k")).toBe(false);
  expect(says(key({ key: "/", ctrlKey: true }), "/")).toBe(false);
  expect(says(key({ key: "?", shiftKey: true }), "?")).toBe(true);
  expect(says(key({ key: "l", altKey: true }), "l")).toBe(false);
});

test("in a field keys are letters", () => {
  document.body.innerHTML = "<input id=a><button id=b></button>";
  const typed: boolean[] = [];
  document.body.addEventListener("keydown", (event) => typed.push(isTyping(event)));
  for (const id of ["a", "b"]) {
    document.getElementById(id)?.dispatchEvent(new KeyboardEvent("keydown", { key: "l", bubbles: true }));
  }
  expect(typed).toEqual([true, false]);
});
