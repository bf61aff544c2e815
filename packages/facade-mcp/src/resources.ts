import type { ReadResourceResult, Resource, ResourceTemplate } from '@modelcontextprotocol/sdk/types.js';
import { RuntimeError } from '@worker-runtime/core';
import { FILES_AT_ONCE, Reads } from '@worker-runtime/core/plugin-kit';
import type { McpRuntime } from './exchange.ts';

const JSON_TYPE = 'application/json';

/** The files of all sessions that are read now. */
const reads = new Reads(FILES_AT_ONCE);

/** The resources of each Worker, by templates of RFC 6570. */
export const RESOURCE_TEMPLATES: readonly ResourceTemplate[] = [
  {
    name: 'transcript',
    uriTemplate: 'worker://{workerId}/transcript{?before}',
    description:
      'The conversation of a Worker, oldest first: its last page, or the page before the position of an earlier answer.',
    mimeType: JSON_TYPE,
  },
  {
    name: 'file',
    uriTemplate: 'worker://{workerId}/files/{digest}',
    description: 'A file of a message or of a tool.',
  },
];

const TRANSCRIPT = /^worker:\/\/([^/?#]+)\/transcript(?:\?before=([^&#]+))?$/;
const FILE = /^worker:\/\/([^/?#]+)\/files\/([^/?#]+)$/;

const transcriptUri = (workerId: string): string => `worker://${encodeURIComponent(workerId)}/transcript`;

/** Returns the address of a file of a Worker. */
export const fileUri = (workerId: string, digest: string): string =>
  `worker://${encodeURIComponent(workerId)}/files/${encodeURIComponent(digest)}`;

/** Lists the transcripts of a page of Workers. */
export const listResources = async (
  runtime: McpRuntime,
  cursor: string | undefined,
): Promise<{ resources: Resource[]; nextCursor?: string }> => {
  const { items, next } = await runtime.listWorkers(cursor === undefined ? {} : { after: cursor });
  const resources = items.map(({ workerId, displayName, status, updatedAt }) => ({
    uri: transcriptUri(workerId),
    name: workerId,
    ...(displayName !== null && { title: displayName }),
    description: `The transcript of the Worker ${workerId} (${status})`,
    mimeType: JSON_TYPE,
    annotations: { lastModified: updatedAt },
  }));
  return { resources, ...(next !== null && { nextCursor: next }) };
};

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    // no id has such a form
    throw new RuntimeError('ROUTE_NOT_FOUND', 'No such resource');
  }
};

/** Reads a transcript or a file. @throws ROUTE_NOT_FOUND, and the errors of the runtime */
export const readResource = async (runtime: McpRuntime, uri: string): Promise<ReadResourceResult> => {
  const transcript = TRANSCRIPT.exec(uri);
  if (transcript) {
    const [, workerId = '', before = 'end'] = transcript;
    const { items, next } = await runtime.transcript(decoded(workerId), { before: decoded(before) });
    return { contents: [{ uri, mimeType: JSON_TYPE, text: JSON.stringify({ items, before: next }) }] };
  }
  const file = FILE.exec(uri);
  if (!file) throw new RuntimeError('ROUTE_NOT_FOUND', 'No such resource');
  const [, workerId = '', digest = ''] = file;
  const { bytes, mediaType } = await reads.run(() => runtime.getFile(decoded(workerId), decoded(digest)));
  return { contents: [{ uri, mimeType: mediaType, blob: Buffer.from(bytes).toString('base64') }] };
};
