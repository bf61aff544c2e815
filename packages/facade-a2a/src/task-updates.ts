import type { Observation, WorkerEvent } from '@worker-runtime/core';
import { Conversation, type TextPiece } from '@worker-runtime/core/views';
import type { Artifact, StreamItem, TaskStatus } from './task.ts';
import type { TaskFold } from './task-fold.ts';

/** The changes of one task, from the observations that follow what its fold has read. */
export class TaskUpdates {
  readonly #fold: TaskFold;
  readonly #conversation = new Conversation({ keptItems: 0 });
  /** The artifacts that the client has in part, and the log not yet. */
  readonly #begun = new Set<string>();

  constructor(fold: TaskFold) {
    this.#fold = fold;
  }

  /** Returns what an observation changes. */
  apply(item: Observation): readonly StreamItem[] {
    const { taskId } = this.#fold.place;
    const pieces = this.#conversation
      .apply(item)
      .filter(({ run, partType }) => run === taskId && partType === 'text');
    if (item.type === 'event' && item.event.run === taskId) return this.#event(item.event, pieces);
    if (item.type === 'event') this.#fold.add(item.event);
    return pieces.map(({ part, text, isReplacement }) => this.#write(part, text, isReplacement, false));
  }

  #event(event: WorkerEvent, pieces: readonly TextPiece[]): readonly StreamItem[] {
    const before = this.#fold.status;
    const completed = this.#fold.add(event);
    const items: StreamItem[] = completed.map((artifact) => this.#complete(artifact, pieces));
    // another execution writes a text of its own, and a run that ended writes none
    if (event.type === 'run.continued' || event.type === 'run.finished')
      for (const part of [...this.#begun]) items.push(this.#write(part, '', true, true));
    const { status } = this.#fold;
    if (status !== before) items.push(this.#statusUpdate(status));
    else if (event.type === 'tool.called' && status.state === 'TASK_STATE_WORKING')
      items.push(this.#statusUpdate(this.#fold.working(event)));
    return items;
  }

  #statusUpdate(status: TaskStatus): StreamItem {
    const { taskId, contextId } = this.#fold.place;
    return { statusUpdate: { taskId, contextId, status } };
  }

  #complete(artifact: Artifact, pieces: readonly TextPiece[]): StreamItem {
    const { artifactId, metadata } = artifact;
    const piece = pieces.find(({ part }) => part === artifactId);
    // the client has all of the text, or all but this piece
    const isRest = this.#begun.has(artifactId) && !piece?.isReplacement && metadata === undefined;
    const sent = isRest ? { artifactId, parts: [{ text: piece?.text ?? '' }] } : artifact;
    this.#begun.delete(artifactId);
    return this.#artifactUpdate(sent, isRest, true);
  }

  #write(artifactId: string, text: string, isReplacement: boolean, isLast: boolean): StreamItem {
    const append = this.#begun.has(artifactId) && !isReplacement;
    if (isLast) this.#begun.delete(artifactId);
    else this.#begun.add(artifactId);
    return this.#artifactUpdate({ artifactId, parts: [{ text }] }, append, isLast);
  }

  #artifactUpdate(artifact: Artifact, append: boolean, lastChunk: boolean): StreamItem {
    const { taskId, contextId } = this.#fold.place;
    return { artifactUpdate: { taskId, contextId, artifact, append, lastChunk } };
  }
}
