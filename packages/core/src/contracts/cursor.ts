/** An opaque position in a log or a list. A cursor names the same position in pages, streams and receipts. */
export type Cursor = string;
