import type { Question } from '@worker-runtime/core';

/** A step of a script that asks for a permission. */
export const permission = (prompt: string, more: Partial<Question> = {}) => ({
  type: 'ask' as const,
  question: {
    kind: 'permission' as const,
    prompt,
    options: [
      { id: 'allow', label: 'Allow', kind: 'allow-once' as const },
      { id: 'deny', label: 'Deny', kind: 'reject-once' as const },
    ],
    ...more,
  },
});
