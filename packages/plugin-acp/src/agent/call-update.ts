import type { ToolCallStatus } from '@agentclientprotocol/sdk';
import type { JsonValue } from '@worker-runtime/core';
import { fileInBlock, isObject, type MadeFile } from '@worker-runtime/core/plugin-kit';

/** The kinds of tool calls that the protocol and the runtime share. */
const KINDS = ['read', 'edit', 'delete', 'move', 'search', 'execute', 'think', 'fetch', 'other'] as const;

type Kind = (typeof KINDS)[number];
type Locations = readonly { readonly path: string; readonly line?: number }[];

/** Output of a terminal that an agent runs by itself. */
interface TerminalOutput {
  readonly data: string;
  /** True if the data is surely an addition. Otherwise some agents send the next output, and others the whole output. */
  readonly isDelta: boolean;
}

/** The facts of a tool call that one message of an agent states. A fact that is absent or malformed is null. */
export interface CallUpdate {
  /** The id that the agent gave the call. */
  readonly id: string;
  /** The name of the tool, which few agents state. */
  readonly name: string | null;
  readonly title: string | null;
  readonly kind: Kind | null;
  readonly locations: Locations | null;
  readonly status: ToolCallStatus | null;
  readonly rawInput: JsonValue | null;
  readonly rawOutput: JsonValue | null;
  /** The content as text, without terminals. It replaces earlier content, also if it is empty. */
  readonly content: string | null;
  /** The files of the content, such as images. */
  readonly files: readonly MadeFile[];
  /** The next output of the terminal of the call. */
  readonly terminal: TerminalOutput | null;
  /** A remark on the end of the terminal, if its program did not succeed. */
  readonly exit: string | null;
}

/** The most files of one update that are stored. */
const MAX_FILES = 16;

const textOr = (value: unknown): string | null => (typeof value === 'string' ? value : null);

const asObject = (value: unknown): Readonly<Record<string, unknown>> => (isObject(value) ? value : {});

const memberOf = (value: unknown, name: string): unknown => asObject(value)[name];

/** Returns the text of a content block, or null for one that is malformed. Content of other types is named. */
export const blockText = (block: unknown): string | null => {
  if (!isObject(block)) return null;
  const { type, text, name, uri, resource } = block;
  if (type === 'text') return textOr(text);
  if (type === 'resource_link') return typeof uri === 'string' ? `[${textOr(name) || uri}]` : null;
  const embedded = type === 'resource' ? textOr(memberOf(resource, 'text')) : null;
  if (embedded !== null) return embedded;
  return typeof type === 'string' && /^\w{1,32}$/.test(type) ? `[${type}]` : null;
};

const contentText = (content: unknown): string | null => {
  const { type, path, newText } = asObject(content);
  if (type === 'content') return blockText(memberOf(content, 'content'));
  if (type === 'diff')
    return typeof path === 'string' && typeof newText === 'string' ? `${path}:\n${newText}` : null;
  return null;
};

/** Returns the given value, or null for one without content. */
const given = (value: unknown): JsonValue | null => {
  const isEmpty = isObject(value) && Object.keys(value).length === 0;
  return value === undefined || isEmpty ? null : (value as JsonValue);
};

const locationsOf = (locations: unknown): Locations | null => {
  if (!Array.isArray(locations)) return null;
  const found = locations.flatMap((location): Locations => {
    const { path, line } = asObject(location);
    if (typeof path !== 'string') return [];
    return [{ path, ...(Number.isSafeInteger(line) && Number(line) >= 0 && { line: Number(line) }) }];
  });
  return found.length > 0 ? found : null;
};

const exitRemark = (exit: unknown): string | null => {
  const { exit_code: code, signal } = asObject(exit);
  if (typeof signal === 'string' && signal !== '') return `[ended by ${signal}]`;
  return typeof code === 'number' && code !== 0 ? `[exit code ${code}]` : null;
};

const terminalOf = (meta: unknown): TerminalOutput | null => {
  for (const key of ['terminal_output', 'terminal_output_delta']) {
    const data = textOr(memberOf(memberOf(meta, key), 'data'));
    if (data !== null) return { data, isDelta: key === 'terminal_output_delta' };
  }
  return null;
};

/** Returns the name of a tool. Agents from before the protocol had a member for it state it in `_meta`. */
const nameOf = (name: unknown, meta: unknown): string | null =>
  [
    name,
    memberOf(memberOf(meta, 'claudeCode'), 'toolName'),
    memberOf(meta, 'toolName'),
    memberOf(meta, 'tool_name'),
  ]
    .map(textOr)
    .find((one) => one !== null && one !== '') ?? null;

const STATUSES: readonly unknown[] = ['pending', 'in_progress', 'completed', 'failed'];

/**
 * Reads a tool call, or an update of one. Returns null if it has no id. The output of terminals that an agent runs by
 * itself is in `_meta`, by a convention of the editor Zed that many agents follow.
 */
export const parseCall = (value: unknown): CallUpdate | null => {
  if (!isObject(value)) return null;
  const { toolCallId, name, title, kind, locations, status, rawInput, rawOutput, content, _meta } = value;
  if (typeof toolCallId !== 'string') return null;
  const items: readonly unknown[] | null = Array.isArray(content) ? content : null;
  const texts = items?.map(contentText).filter((text) => text !== null);
  const files = items?.map((one) => fileInBlock(memberOf(one, 'content'))) ?? [];
  return {
    id: toolCallId,
    name: nameOf(name, _meta),
    title: textOr(title),
    kind: KINDS.find((known) => known === kind) ?? null,
    locations: locationsOf(locations),
    status: STATUSES.includes(status) ? (status as ToolCallStatus) : null,
    rawInput: given(rawInput),
    rawOutput: given(rawOutput),
    content: texts?.join('\n') ?? null,
    files: files.filter((file) => file !== null).slice(0, MAX_FILES),
    terminal: terminalOf(_meta),
    exit: exitRemark(memberOf(_meta, 'terminal_exit')),
  };
};
