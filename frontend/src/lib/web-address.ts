/** An address a browser may be led to; anything else, `javascript:` above all, is text only. */
export function webAddress(uri: string): string | null {
  return URL.canParse(uri) && /^https?:$/.test(new URL(uri).protocol) ? uri : null;
}
