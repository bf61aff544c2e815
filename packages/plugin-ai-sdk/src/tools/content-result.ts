import { isDeepStrictEqual } from 'node:util';
import type { JsonObject, JsonValue } from '@worker-runtime/core';
import {
  boundedOutput,
  boundedText,
  fileInBlock,
  isObject,
  type MadeFile,
  type Redactor,
} from '@worker-runtime/core/plugin-kit';
import { schemaFault } from './schema-fault.ts';

interface BoundedOutput {
  readonly output: JsonValue;
  readonly truncated?: true;
}

/** Joins those of the parts that are texts. Servers may leave out each of them, or send something else. */
const joined = (parts: readonly unknown[], separator = ' '): string =>
  parts.filter((part): part is string => typeof part === 'string' && part !== '').join(separator);

/** Describes data that is not text: `[image image/png, 2048 bytes]`. */
const placeholder = (kind: string, mediaType: unknown, base64?: unknown): string => {
  const size = typeof base64 === 'string' ? `${Buffer.byteLength(base64, 'base64')} bytes` : '';
  return `[${joined([kind, joined([mediaType, size], ', ')])}]`;
};

/** The most files of one result that are stored. */
const MAX_FILES = 16;

/** Returns one block of content as text. Blocks with bytes become placeholders here, and only here. */
const blockText = (block: unknown): string => {
  if (!isObject(block)) return '[unknown content]';
  const { type, text, data, mimeType, resource, uri, name, title, description } = block as JsonObject;
  const kind = typeof type === 'string' ? type : 'unknown content';
  if (kind === 'resource' && isObject(resource)) {
    const { uri: source, text: body, mimeType: mediaType, blob } = resource as JsonObject;
    return typeof body === 'string'
      ? `[${joined([kind, source, mediaType])}]\n${body}`
      : joined([placeholder(kind, mediaType, blob), source]);
  }
  if (kind === 'resource_link')
    return joined([placeholder(kind, mimeType), uri, joined([title ?? name, description], ': ')]);
  return typeof text === 'string' ? text : placeholder(kind, mimeType, data);
};

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
};

/** True if a text holds the same value as structured content, which servers send in both forms for older clients. */
const repeats = (text: string, structured: JsonValue): boolean =>
  isDeepStrictEqual(parsed(text), structured) ||
  (isObject(structured) && isDeepStrictEqual(structured, { result: text }));

/**
 * The result of a call that consists of blocks of content, as a tool server sends them: their text, the structured content
 * unless the text repeats it, and their files.
 */
export class ContentResult {
  readonly isError: boolean;
  /** The way in which the result differs from the output schema of its tool, or null. It is a result in either case. */
  readonly fault: string | null;
  readonly files: readonly MadeFile[];
  readonly #text: string;
  readonly #structured: JsonValue | undefined;

  constructor(result: unknown, outputSchema: JsonObject | null = null) {
    const { content, structuredContent, isError } = (isObject(result) ? result : {}) as JsonObject;
    const text = Array.isArray(content) ? content.map(blockText).join('\n') : (content ?? '');
    this.files = (Array.isArray(content) ? content : [])
      .map(fileInBlock)
      .filter((file) => file !== null)
      .slice(0, MAX_FILES);
    this.isError = isError === true;
    const hasStructuredContent = structuredContent !== undefined && structuredContent !== null;
    this.#text = typeof text === 'string' ? text : JSON.stringify(text);
    this.#structured = hasStructuredContent ? (structuredContent as JsonValue) : undefined;
    if (outputSchema === null || this.isError) this.fault = null;
    else if (this.#structured === undefined) this.fault = 'it has no structured content';
    else this.fault = schemaFault(outputSchema, this.#structured);
    if (this.#structured === undefined || !repeats(this.#text, this.#structured)) return;
    // Of two forms of one value, the shorter one remains: an object as it is, and a text without its wrapper.
    if (isDeepStrictEqual(this.#structured, { result: this.#text })) this.#structured = undefined;
    else this.#text = '';
  }

  /** Returns the message of a failure, for the model. */
  failure(redactor: Redactor): string {
    const structured = this.#structured === undefined ? '' : redactor.stringify(this.#structured);
    const parts = [this.#text, structured].filter((part) => part !== '');
    return parts.length > 0 ? parts.join('\n') : 'The tool reported a failure without a message';
  }

  /**
   * Returns the output for the model and the log, without secrets. If it is too large, text and structured content get
   * half of the space each, and what the other one leaves.
   */
  output(redactor: Redactor, maxBytes: number): BoundedOutput {
    const text = redactor.text(this.#text);
    if (this.#structured === undefined) return boundedOutput(text, maxBytes);
    const structured = redactor.json(this.#structured);
    if (text === '') return boundedOutput(structured, maxBytes);
    const half = Math.floor(maxBytes / 2);
    const spaceBesides = (other: string): number => Math.max(half, maxBytes - Buffer.byteLength(other));
    const content = boundedText(text, spaceBesides(JSON.stringify(structured)));
    const { output: structuredContent, ...cut } = boundedOutput(structured, spaceBesides(text));
    return {
      output: { content: content.text, structuredContent },
      ...(content.truncated && { truncated: content.truncated }),
      ...cut,
    };
  }
}
