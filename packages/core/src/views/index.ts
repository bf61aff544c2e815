export { EVENT_TYPES } from '../contracts/event.ts';
export { meantOption, openRequestOf, requestOptionOf } from '../contracts/open-request.ts';
export { costOf, type ModelPrice, type PriceList } from '../contracts/prices.ts';
export { transcriptItem } from '../contracts/transcript.ts';
export type {
  UsageOfDay,
  UsageOfModel,
  UsageOfWorker,
  UsageQuery,
  UsageReport,
} from '../contracts/usage.ts';
export type {
  AskAnswer,
  AskBlock,
  Block,
  CallBlock,
  InputBlock,
  MessageBlock,
  NoteBlock,
  RunEndBlock,
  ToolCallPart,
} from './blocks.ts';
export { Conversation, type ConversationOptions, type TextPiece } from './conversation.ts';
export { replaceInvisible } from './invisible.ts';
export { jsonText } from './json-text.ts';
export { markdownOf } from './markdown.ts';
export { sizeText } from './size-text.ts';
