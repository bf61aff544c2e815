import { WebSocket as WsWebSocket } from 'ws';
import type { ClientOptions } from '../src/index.ts';

/** The transports of live streams. The WebSocket is that of `ws`, because Node 20 has none. */
export const TRANSPORTS: Readonly<Record<'sse' | 'ws', Pick<ClientOptions, 'webSocket'>>> = {
  sse: { webSocket: null },
  ws: { webSocket: WsWebSocket as unknown as typeof WebSocket },
};
