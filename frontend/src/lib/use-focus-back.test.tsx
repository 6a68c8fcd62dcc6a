// @vitest-environment jsdom
import { cleanup, render, screen } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import { useFocusBack } from "./use-focus-back";

afterEach(cleanup);

function Opened({ open }: { open: boolean }) {
  useFocusBack(open, () => document.getElementById("opener"));
  return (
    <>
      <button type="button" id="opener">
        open
      </button>
      <input aria-label="elsewhere" />
      {open ? <input aria-label="inside" /> : null}
    </>
  );
}

test("what is closed gives the focus it had to what opened it", () => {
  const { rerender } = render(<Opened open />);
  screen.getByLabelText("inside").focus();

  rerender(<Opened open={false} />);

  expect(document.activeElement?.id).toBe("opener");
});

test("somebody who went on meanwhile stays where they are", () => {
  const { rerender } = render(<Opened open />);
  screen.getByLabelText("elsewhere").focus();

  rerender(<Opened open={false} />);

  expect(document.activeElement?.getAttribute("aria-label")).toBe("elsewhere");
});
