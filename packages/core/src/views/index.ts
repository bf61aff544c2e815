export { EVENT_TYPES } from '../contracts/event.ts';
export { openRequestOf, requestOptionOf } from '../contracts/open-request.ts';
export { costOf } from '../contracts/prices.ts';
export { transcriptItem } from '../contracts/transcript.ts';
export { Conversation, type ConversationOptions, type TextPiece } from './conversation.ts';
