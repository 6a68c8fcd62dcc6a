import { webAddress } from "@/lib/web-address";
import { isObject, type Schema } from "./schema";

/** One piece of what a tool answered, by how it is shown. */
export type Block =
  | { kind: "text"; text: string; json: unknown }
  | { kind: "image"; source: string; mime: string; size: number }
  | { kind: "file"; mime: string; size: number; uri: string }
  | { kind: "link"; uri: string; href: string | null; name: string; description: string; mime: string }
  | { kind: "resource"; uri: string; mime: string; text: string }
  | { kind: "other"; value: unknown };

export interface ToolResult {
  blocks: Block[];
  structured: unknown;
  failed: boolean;
}

const IMAGES = /^image\/(png|jpeg|gif|webp|avif|bmp|svg\+xml)$/;
const BASE64 = /^[A-Za-z0-9+/\s]*={0,2}\s*$/;

/** A result of tools/call. What is no result of one is shown as it is. */
export function resultOf(result: unknown): ToolResult {
  const whole: Schema = isObject(result) ? result : {};
  const content = Array.isArray(whole.content) ? whole.content : [];
  return {
    blocks: content.map(blockOf),
    structured: whole.structuredContent,
    failed: whole.isError === true,
  };
}

function blockOf(block: unknown): Block {
  if (!isObject(block)) return { kind: "other", value: block };
  const text = (value: unknown) => (typeof value === "string" ? value : "");
  const mime = text(block.mimeType);
  if (block.type === "text" && typeof block.text === "string") {
    return { kind: "text", text: block.text, json: jsonIn(block.text) };
  }
  if ((block.type === "image" || block.type === "audio") && typeof block.data === "string") {
    return dataBlock(block.data, mime, "");
  }
  if (block.type === "resource_link" && typeof block.uri === "string") {
    return {
      kind: "link",
      uri: block.uri,
      href: webAddress(block.uri),
      name: text(block.title) || text(block.name),
      description: text(block.description),
      mime,
    };
  }
  if (block.type === "resource" && isObject(block.resource)) {
    const { uri, mimeType, text: inside, blob } = block.resource;
    if (typeof inside === "string") {
      return { kind: "resource", uri: text(uri), mime: text(mimeType), text: inside };
    }
    if (typeof blob === "string") return dataBlock(blob, text(mimeType), text(uri));
  }
  return { kind: "other", value: block };
}

function dataBlock(data: string, mime: string, uri: string): Block {
  const size = Math.floor((data.replaceAll(/[\s=]/g, "").length * 3) / 4);
  // Shown as an image only, which runs nothing whatever is in it.
  return IMAGES.test(mime) && BASE64.test(data)
    ? { kind: "image", source: `data:${mime};base64,${data.replaceAll(/\s/g, "")}`, mime, size }
    : { kind: "file", mime, size, uri };
}

/** Objects and lists that were written as text; undefined for any other text. */
function jsonIn(text: string): unknown {
  if (!/^\s*[[{]/.test(text)) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
