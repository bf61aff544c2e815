import { type ContentBlock, RequestError } from '@agentclientprotocol/sdk';
import type { RuntimeClient } from '@worker-runtime/client';
import type { FilePart } from '@worker-runtime/core';
import { fileInBlock, fileText } from '@worker-runtime/core/plugin-kit';

/** The texts and files of a prompt, in order. */
type InputParts = readonly ({ readonly type: 'text'; readonly text: string } | FilePart)[];

/** Returns a block of a prompt as text. A linked file is named, and a file whose text the prompt has is quoted. */
const textOf = (block: ContentBlock): string | null => {
  switch (block.type) {
    case 'text':
      return block.text;
    case 'resource_link':
      return `[${block.name}](${block.uri})`;
    case 'resource':
      return 'text' in block.resource
        ? `${block.resource.uri}:\n\`\`\`\n${block.resource.text}\n\`\`\``
        : null;
    default:
      return null;
  }
};

/**
 * Converts a prompt to the parts of an input. Stores its images, recordings and binary files in the Worker first.
 * @throws RequestError a block has no content that a Worker can have · as `putFile` of the client
 */
export const inputParts = async (
  prompt: readonly ContentBlock[],
  client: RuntimeClient,
  workerId: string,
): Promise<InputParts> => {
  const parts: InputParts[number][] = [];
  for (const block of prompt) {
    const text = textOf(block);
    const last = parts.at(-1);
    if (text !== null && last?.type === 'text')
      parts[parts.length - 1] = { type: 'text', text: `${last.text}\n${text}` };
    else if (text !== null) parts.push({ type: 'text', text });
    else {
      const file = fileInBlock(block);
      if (!file)
        throw RequestError.invalidParams(undefined, `a block of the type ${block.type} has no content`);
      const { bytes, ...description } = file;
      parts.push(await client.putFile(workerId, bytes, description));
    }
  }
  return parts;
};

/** Returns a file of a Worker as content for an editor. A file of another type than images and audio is named. */
export const editorBlock = async (
  file: FilePart,
  client: RuntimeClient,
  workerId: string,
): Promise<ContentBlock> => {
  const { mediaType, digest } = file;
  const kind = /^(image|audio)\//.exec(mediaType)?.[1] as 'image' | 'audio' | undefined;
  const content = kind && (await client.getFile(workerId, digest).catch(() => null));
  if (!content) return { type: 'text', text: fileText(file) };
  return { type: kind, data: Buffer.from(content.bytes).toString('base64'), mimeType: mediaType };
};
