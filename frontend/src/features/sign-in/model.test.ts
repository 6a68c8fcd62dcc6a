import { expect, test } from "vitest";
import { providerLink, providerName, waits } from "./model";

test("GitHub has the way of the earlier hub, other providers one of their name", () => {
  expect(providerLink("github", "/")).toBe("/api/oauth/github");
  expect(providerLink("oidc", "/settings?q=a")).toBe("/api/oauth/oidc/oidc?next=%2Fsettings%3Fq%3Da");
});

test("a provider nobody foresaw is called what it is configured as", () => {
  expect([providerName("github"), providerName("acme")]).toEqual(["GitHub", "acme"]);
});

test("an account that waits or is locked gets a page, a wrong password does not", () => {
  expect(["user_pending", "user_inactive", "invalid_credentials"].map(waits)).toEqual([true, true, false]);
});
