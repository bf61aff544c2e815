// A chat of the AI SDK with a Worker. The address of the page has the id of the conversation.
import type { UIMessage } from 'ai';
import { useState } from 'react';
import { createRoot } from 'react-dom/client';
import { useWorkerChat } from './use-worker-chat.ts';

type Part = UIMessage['parts'][number];
type Answer = (id: string, approved: boolean) => void;

const Call = ({ part, answer }: { part: Extract<Part, { type: 'dynamic-tool' }>; answer: Answer }) => {
  const call = `${part.toolName} ${JSON.stringify(part.input)}`;
  switch (part.state) {
    case 'approval-requested':
      return (
        <p>
          May I call {call}?{' '}
          <button type="button" onClick={() => answer(part.approval.id, true)}>
            Allow
          </button>{' '}
          <button type="button" onClick={() => answer(part.approval.id, false)}>
            Refuse
          </button>
        </p>
      );
    case 'output-available':
      return (
        <p>
          {call} returned {JSON.stringify(part.output)}
        </p>
      );
    case 'output-denied':
      return <p>{call} was refused</p>;
    case 'output-error':
      return (
        <p>
          {call} failed: {part.errorText}
        </p>
      );
    default:
      return <p>{call}</p>;
  }
};

const Message = ({ message, answer }: { message: UIMessage; answer: Answer }) => (
  <article data-role={message.role}>
    {message.parts.map((part, at) => {
      if (part.type === 'dynamic-tool') return <Call key={part.toolCallId} part={part} answer={answer} />;
      // biome-ignore lint/suspicious/noArrayIndexKey: parts are added, and never moved
      return part.type === 'text' ? <p key={at}>{part.text}</p> : null;
    })}
  </article>
);

const Chat = ({ chatId }: { chatId: string }) => {
  const { messages, status, error, sendMessage, addToolApprovalResponse, cancel } = useWorkerChat(chatId);
  const [text, setText] = useState('');
  const isWriting = status === 'submitted' || status === 'streaming';
  return (
    <main data-status={status}>
      {messages.map((message) => (
        <Message
          key={message.id}
          message={message}
          answer={(id, approved) => void addToolApprovalResponse({ id, approved })}
        />
      ))}
      {error && <p role="alert">{error.message}</p>}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void sendMessage({ text });
          setText('');
        }}
      >
        <input aria-label="Message" value={text} onChange={(event) => setText(event.target.value)} />
        {isWriting ? (
          <button type="button" onClick={cancel}>
            Stop
          </button>
        ) : (
          <button type="submit" disabled={text === ''}>
            Send
          </button>
        )}
      </form>
      <p>
        <a href="/">New conversation</a>
      </p>
    </main>
  );
};

const chatId = new URLSearchParams(location.search).get('chat') ?? crypto.randomUUID();
history.replaceState(null, '', `?chat=${chatId}`);
createRoot(document.getElementById('root') as HTMLElement).render(<Chat chatId={chatId} />);
