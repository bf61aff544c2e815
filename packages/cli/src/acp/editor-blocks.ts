import { type ContentBlock, RequestError } from '@agentclientprotocol/sdk';

/** Converts a block of a prompt to text. A file is named, or quoted if the prompt contains its text. */
const textOf = (block: ContentBlock): string => {
  switch (block.type) {
    case 'text':
      return block.text;
    case 'resource_link':
      return `[${block.name}](${block.uri})`;
    case 'resource':
      if ('text' in block.resource) return `${block.resource.uri}:\n\`\`\`\n${block.resource.text}\n\`\`\``;
      throw RequestError.invalidParams(undefined, 'a prompt cannot contain binary files');
    default:
      throw RequestError.invalidParams(
        undefined,
        `a prompt cannot contain content of the type ${block.type}`,
      );
  }
};

/**
 * Converts a prompt to text.
 * @throws RequestError the prompt has content that was not advertised: Workers would not receive it
 */
export const promptText = (prompt: readonly ContentBlock[]): string => prompt.map(textOf).join('\n');
