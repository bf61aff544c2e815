import { WebSocket as WsWebSocket } from 'ws';
import type { ClientOptions } from '../src/index.ts';

/** What live streams can come over. The WebSocket is one that has the interface of browsers, as Node 20 has none. */
export const TRANSPORTS: Readonly<Record<'sse' | 'ws', Pick<ClientOptions, 'webSocket'>>> = {
  sse: { webSocket: null },
  ws: { webSocket: WsWebSocket as unknown as typeof WebSocket },
};
