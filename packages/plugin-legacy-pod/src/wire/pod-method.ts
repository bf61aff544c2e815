/** What a pod is asked. The rest of its methods has no use here, and `restore_pod` is broken. */
export type PodMethod =
  | { readonly method: 'run'; readonly params: { readonly input: readonly InputSegment[] } }
  | { readonly method: 'notify'; readonly params: { readonly message: string } }
  | { readonly method: 'resume' | 'cancel' | 'shutdown' };

interface InputSegment {
  readonly kind: 'text';
  readonly content: string;
}

/** One line with its end: a pod loses a line that reaches it in pieces, so it is written in one piece. */
export const methodLine = (method: PodMethod): string => `${JSON.stringify(method)}\n`;
