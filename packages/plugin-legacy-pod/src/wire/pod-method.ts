/** A method of a pod that this plugin calls. The other methods are not needed, and `restore_pod` does not work. */
export type PodMethod =
  | { readonly method: 'run'; readonly params: { readonly input: readonly InputSegment[] } }
  | { readonly method: 'notify'; readonly params: { readonly message: string } }
  | { readonly method: 'resume' | 'cancel' | 'shutdown' };

interface InputSegment {
  readonly kind: 'text';
  readonly content: string;
}

/** Returns a method as one line with its line end. Write it in one piece: a pod loses a line that arrives in pieces. */
export const methodLine = (method: PodMethod): string => `${JSON.stringify(method)}\n`;
