/** A failed tool call whose message is for the model. */
export class ToolFailure extends Error {}
