/** An opaque position in a log or a list. One cursor names the same position in pages, streams and receipts. */
export type Cursor = string;
