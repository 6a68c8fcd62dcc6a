import { expect, test } from "vitest";
import { josa } from "./josa";

test("a particle follows how the word ends", () => {
  expect(josa("서버", "을/를")).toBe("서버를");
  expect(josa("그룹", "을/를")).toBe("그룹을");
  expect(josa("사용자", "은/는")).toBe("사용자는");
  expect(josa("키", "이/가")).toBe("키가");
  expect(josa("값", "이/가")).toBe("값이");
});

test("after ㄹ it is 로, after other consonants 으로", () => {
  expect(josa("메일", "으로/로")).toBe("메일로");
  expect(josa("화면", "으로/로")).toBe("화면으로");
  expect(josa("서버", "으로/로")).toBe("서버로");
});

test("digits and Latin letters are heard as they are read", () => {
  expect(josa("버전 1", "과/와")).toBe("버전 1과");
  expect(josa("버전 2", "과/와")).toBe("버전 2와");
  expect(josa("URL", "을/를")).toBe("URL을");
  expect(josa("GitHub", "으로/로")).toBe("GitHub로");
});

test("marks at the end are not heard", () => {
  expect(josa("그룹(2)", "을/를")).toBe("그룹(2)를");
  expect(josa("“값”", "을/를")).toBe("“값”을");
  expect(josa("", "을/를")).toBe("를");
});
