import { useChat } from '@ai-sdk/react';
import {
  DefaultChatTransport,
  lastAssistantMessageIsCompleteWithApprovalResponses,
  type UIMessage,
} from 'ai';
import { useCallback, useEffect, useRef } from 'react';

const API = '/api/chat';
const RETRY_MS = 500;

/** True if the run may continue although its stream broke: the connection was lost, or the server stops. */
const isLost = (error: Error): boolean =>
  error instanceof TypeError || error.message.startsWith('RUNTIME_STOPPING');

interface History {
  readonly messages: UIMessage[];
  /** The run whose answer is being written, and is not in the messages. */
  readonly run: string | null;
}

/** Waits for the server, and returns what the log has. */
const load = async (chatId: string): Promise<History> => {
  for (;;) {
    const answer = await fetch(`${API}/${chatId}`).catch(() => null);
    if (answer?.ok) return (await answer.json()) as History;
    // a conversation without a message has no Worker yet
    if (answer?.status === 404) return { messages: [], run: null };
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
};

/** `useChat` that shows what the log has: after a load, after the server was away, and when a person returns to the tab. */
export const useWorkerChat = (chatId: string) => {
  const refreshing = useRef(false);
  const active = useRef<string | null>(null);
  const lost = useRef((): void => {});
  const chat = useChat({
    id: chatId,
    transport: new DefaultChatTransport({
      api: API,
      // by its id, because the run may have ended since the messages were read
      prepareReconnectToStreamRequest: () => ({ api: `${API}/${chatId}/stream?run=${active.current}` }),
    }),
    sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses,
    onError: (error) => {
      if (isLost(error)) setTimeout(() => lost.current(), RETRY_MS);
    },
  });
  const { status, setMessages, clearError, resumeStream } = chat;

  const refresh = useCallback(async (): Promise<void> => {
    if (refreshing.current) return;
    refreshing.current = true;
    const { messages, run } = await load(chatId);
    refreshing.current = false;
    setMessages(messages);
    clearError();
    active.current = run;
    if (run === null) return;
    await resumeStream();
    // useChat may keep the text of the connection that was lost beside that of the new one
    const ended = await load(chatId);
    if (ended.run === null) setMessages(ended.messages);
  }, [chatId, setMessages, clearError, resumeStream]);
  lost.current = () => void refresh();

  useEffect(() => void refresh(), [refresh]);
  useEffect(() => {
    if (status !== 'ready') return undefined;
    const returned = (): void => void refresh();
    addEventListener('focus', returned);
    return () => removeEventListener('focus', returned);
  }, [status, refresh]);

  /** Cancels the run. `stop` of useChat only disconnects. */
  const cancel = (): void => void fetch(`${API}/${chatId}`, { method: 'DELETE' });
  return { ...chat, cancel };
};
