import type { MessagePart } from '@worker-runtime/core';
import type {
  Block,
  CallBlock,
  InputBlock,
  MessageBlock,
  NoteBlock,
  RunEndBlock,
} from '@worker-runtime/core/views';
import { memo } from 'react';
import { durationText, numberText } from '../parts/duration.ts';
import {
  ChevronRight,
  CircleAlert,
  CircleSlash,
  CircleX,
  Clock,
  FileText,
  TriangleAlert,
} from '../parts/icons.ts';
import { inOrder } from '../parts/in-order.ts';
import { Moment } from '../parts/time.tsx';
import styles from './block-view.module.css';
import { LongText } from './long-text.tsx';
import { Markdown } from './markdown.tsx';
import { noteText } from './note-text.ts';
import { RequestCard } from './request-card.tsx';
import { ValueView } from './value-view.tsx';

/** A longer text is shown in part first: to lay out a megabyte takes a browser seconds. */
const SHOWN_CHARS = 40_000;
const GIST_CHARS = 120;

const elapsed = (from: string, to: string): string => durationText(Date.parse(to) - Date.parse(from));

const textOf = ({ parts }: InputBlock): string =>
  parts.map((part) => (part.type === 'text' ? part.text : '')).join('\n');

const Input = ({ block }: { readonly block: InputBlock }) => (
  <article className={styles.input} aria-label="Input">
    {block.role === 'system' && <small>System</small>}
    <LongText text={textOf(block)} limit={SHOWN_CHARS}>
      {(shown) => <p className={styles.said}>{shown}</p>}
    </LongText>
    <footer>
      {block.isQueued && (
        <>
          <Clock size={12} aria-hidden /> queued ·{' '}
        </>
      )}
      {block.actor !== null && `${inOrder(block.actor)} · `}
      <Moment of={block.time} />
    </footer>
  </article>
);

/** Reasoning, which is folded. */
export const Reasoning = ({
  title,
  children,
}: {
  readonly title: string;
  readonly children: React.ReactNode;
}) => (
  <details className={styles.reasoning}>
    <summary>
      <ChevronRight size={14} aria-hidden />
      {title}
    </summary>
    <div className={styles.thought}>{children}</div>
  </details>
);

const LongMarkdown = ({ text }: { readonly text: string }) => (
  <LongText text={text} limit={SHOWN_CHARS}>
    {(shown) => <Markdown text={shown} />}
  </LongText>
);

const PartView = ({ part }: { readonly part: MessagePart }) => {
  switch (part.type) {
    case 'file':
      return (
        <p className={styles.file}>
          <FileText size={16} aria-hidden /> {inOrder(part.name ?? 'File')} <small>{part.mediaType}</small>
        </p>
      );
    case 'reasoning':
      return (
        <Reasoning title="Thought">
          <LongMarkdown text={part.text} />
        </Reasoning>
      );
    case 'text':
      return <LongMarkdown text={part.text} />;
  }
};

const Message = ({ block }: { readonly block: MessageBlock }) => (
  <article className={styles.message} aria-label="Message">
    {block.parts.map((part) => (
      <PartView key={part.id} part={part} />
    ))}
    {block.isPartial && <p className={styles.partial}>The message is incomplete: its run ended first</p>}
  </article>
);

const callState = ({ result, isLost }: CallBlock): { readonly tone: string; readonly word: string } => {
  if (result?.denied) return { tone: 'denied', word: 'denied' };
  if (result?.error !== undefined) return { tone: 'failed', word: 'failed' };
  if (result !== null) return { tone: 'done', word: 'done' };
  return isLost ? { tone: 'failed', word: 'no result' } : { tone: 'open', word: 'working' };
};

const CallMark = ({ tone }: { readonly tone: string }) => {
  if (tone === 'denied') return <CircleSlash size={14} aria-hidden />;
  if (tone === 'failed') return <CircleX size={14} aria-hidden />;
  return <span className={tone === 'open' ? styles.working : styles.dot} aria-hidden />;
};

/** Returns the gist of the input of a call: its title, or its first value. */
const gistOf = ({ call }: CallBlock): string => {
  if (call.title !== undefined) return call.title;
  const { input } = call;
  if (typeof input !== 'object' || input === null) return String(input ?? '');
  const first = Object.values(input).find((value) => typeof value === 'string' || typeof value === 'number');
  return first === undefined ? JSON.stringify(input) : String(first);
};

const CallView = ({ block }: { readonly block: CallBlock }) => {
  const { call, result, time } = block;
  const { tone, word } = callState(block);
  return (
    <details className={styles.call} data-tone={tone}>
      <summary>
        <ChevronRight size={14} aria-hidden />
        <CallMark tone={tone} />
        <b>{inOrder(call.name)}</b>
        <span className={styles.gist}>{inOrder(gistOf(block).slice(0, GIST_CHARS))}</span>
        <small>
          {word !== 'done' && `${word} · `}
          {result ? elapsed(time, result.time) : <Moment of={time} />}
        </small>
      </summary>
      <div className={styles.detail}>
        <ValueView title="Input" value={call.input} />
        {result?.error !== undefined && <ValueView title="Error" value={result.error} />}
        {result?.output !== undefined && (
          <ValueView
            title={result.truncated ? 'Output (truncated by the engine)' : 'Output'}
            value={result.output}
          />
        )}
      </div>
    </details>
  );
};

const OUTCOMES = {
  completed: 'Completed',
  failed: 'Failed',
  cancelled: 'Cancelled',
  interrupted: 'Interrupted: the runtime stopped or crashed during the run',
} as const;

const RunEnd = ({ block }: { readonly block: RunEndBlock }) => {
  const { outcome, error, reason, startedAt, time, tokens } = block;
  const facts = [
    ...(startedAt === null ? [] : [elapsed(startedAt, time)]),
    ...(tokens > 0 ? [`${numberText(tokens)} tokens`] : []),
  ].join(' · ');
  if (outcome === 'completed') return facts === '' ? null : <p className={styles.end}>{facts}</p>;
  return (
    <p className={styles.outcome} data-outcome={outcome}>
      {outcome === 'failed' ? <CircleAlert size={16} aria-hidden /> : <CircleSlash size={16} aria-hidden />}
      <span>
        {error ? `${OUTCOMES[outcome]}: ${inOrder(error.message)}` : OUTCOMES[outcome]}
        {reason !== null && ` (${inOrder(reason)})`}
        {error && <code>{error.code}</code>}
      </span>
      <small>{facts}</small>
    </p>
  );
};

const Note = ({ block }: { readonly block: NoteBlock }) => {
  const note = noteText(block.event);
  if (note === null) return null;
  return (
    <p className={styles.notice} data-tone={note.tone}>
      {note.tone !== 'quiet' && <TriangleAlert size={14} aria-hidden />}
      <span>{inOrder(note.text)}</span> <Moment of={block.time} />
    </p>
  );
};

interface BlockProps {
  readonly block: Block;
  readonly runtimeId: string;
  readonly workerId: string;
}

const contentOf = ({ block, runtimeId, workerId }: BlockProps): React.ReactNode => {
  switch (block.kind) {
    case 'input':
      return <Input block={block} />;
    case 'message':
      return <Message block={block} />;
    case 'call':
      return <CallView block={block} />;
    case 'ask':
      return (
        <RequestCard
          runtimeId={runtimeId}
          workerId={workerId}
          request={block.request}
          answer={block.answer}
        />
      );
    case 'run-end':
      return <RunEnd block={block} />;
    case 'note':
      return <Note block={block} />;
  }
};

/** One block of a conversation. It renders again only if the block was replaced. */
export const BlockView = memo((props: BlockProps) => {
  const { block } = props;
  const result = block.kind === 'call' ? block.result?.seq : undefined;
  return (
    <div className={styles.block} data-kind={block.kind} data-seq={block.seq} data-result-seq={result}>
      {contentOf(props)}
    </div>
  );
});
BlockView.displayName = 'BlockView';
