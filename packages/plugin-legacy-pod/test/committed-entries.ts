import type { Json } from './fake-pod/disk.ts';

/** Derives the log of a pod from the lines that it sends, because the samples have only these lines. */
export class CommittedEntries {
  entries: Json[];
  status: string;
  /** The previous segment, after the pod began a new one. */
  replaced: { readonly segment: string; readonly entries: readonly Json[] } | null = null;
  #blocks: Json[] = [];
  #usage: Json[] = [];
  #invokedAt: number | null = null;
  #error: string | null = null;
  #turns: number;
  #ts: number;

  constructor(entries: readonly Json[], status: string) {
    this.entries = [...entries];
    this.status = status;
    this.#turns = entries.filter(({ kind }) => kind === 'turn_end').length;
    this.#ts = Date.now() - 60_000;
  }

  apply(event: string, data: Json): void {
    switch (event) {
      case 'invoke_start':
        this.#invokedAt = this.entries.length;
        this.#add({ kind: 'invoke', trigger: data.kind });
        return;
      case 'user_message':
        this.#add({ kind: 'user_input', segments: data.segments });
        return;
      case 'system_item':
        this.#system(data.item as Json);
        return;
      case 'segment_rotated': {
        const entry = data.entry as Json;
        const origin = (entry.compacted_from ?? entry.forked_from) as Json | undefined;
        if (origin) this.replaced = { segment: String(origin.segment_id), entries: this.entries };
        this.entries = [entry];
        return;
      }
      case 'rewind_applied':
        this.entries = [...(data.entries as Json[])];
        return;
      case 'thinking_done':
        this.#blocks.push({ kind: 'reasoning', text: data.text });
        return;
      case 'text_done':
        this.#blocks.push({
          kind: 'message',
          role: 'assistant',
          content: [{ kind: 'text', text: data.text }],
        });
        return;
      case 'tool_call_done':
        this.#blocks.push({
          kind: 'tool_call',
          call_id: data.id,
          name: data.name,
          arguments: data.arguments,
        });
        return;
      case 'tool_result':
        this.#add({
          kind: 'tool_result',
          item: {
            kind: 'tool_result',
            call_id: data.id,
            summary: data.summary,
            ...(data.output !== undefined && { content: data.output }),
            ...(data.is_error === true && { is_error: true }),
          },
        });
        return;
      case 'turn_end':
        for (const item of this.#blocks.splice(0)) this.#add({ kind: 'assistant_item', item });
        return;
      case 'usage':
        this.#usage.push({
          kind: 'llm_usage',
          history_len: 1,
          input_total_tokens: data.input_tokens,
          cache_read_tokens: data.cache_read_input_tokens ?? 0,
          cache_write_tokens: 0,
          output_tokens: data.output_tokens,
        });
        return;
      case 'error':
        if (this.#invokedAt !== null) this.#error = String(data.message);
        return;
      case 'run_end':
        if (data.result === 'rolled_back') this.entries.length = this.#invokedAt ?? this.entries.length;
        else this.#end({ kind: 'run_completed', interrupted: false, result: data.result });
        return;
      case 'status':
        if (data.status === 'idle' && this.#error !== null)
          this.#end({ kind: 'run_errored', interrupted: true, message: this.#error });
        this.status = String(data.status);
        return;
      default:
        return;
    }
  }

  #end(entry: Json): void {
    this.#turns += 1;
    this.#add({ kind: 'turn_end', turn_count: this.#turns });
    for (const usage of this.#usage.splice(0)) this.#add(usage);
    this.#add(entry);
    this.#error = null;
    this.#invokedAt = null;
  }

  #system(item: Json): void {
    if (item.kind === 'interrupt') {
      const answered = new Set(
        this.entries.flatMap((entry) => (entry.kind === 'tool_result' ? [(entry.item as Json).call_id] : [])),
      );
      for (const entry of [...this.entries]) {
        const call = entry.item as Json | undefined;
        if (entry.kind !== 'assistant_item' || call?.kind !== 'tool_call' || answered.has(call.call_id))
          continue;
        const result = { kind: 'tool_result', call_id: call.call_id, summary: '[Interrupted by user]' };
        this.#add({ kind: 'tool_result', item: result });
      }
    }
    this.#add({ kind: 'system_item', item });
    if (item.kind === 'interrupt' && this.status === 'paused') this.#add({ kind: 'paused_turn_abandoned' });
  }

  #add({ kind, ...rest }: Json): void {
    this.#ts += 1;
    this.entries.push({ kind, ts: this.#ts, ...rest });
  }
}
