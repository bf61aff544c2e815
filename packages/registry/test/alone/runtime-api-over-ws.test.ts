import { testRuntimeApi } from '@worker-runtime/core/testing';
import test from 'ava';
import { WebSocket as WsWebSocket } from 'ws';
import { hopHarness } from '../hop-harness.ts';

testRuntimeApi(test, () => hopHarness({ webSocket: WsWebSocket as unknown as typeof WebSocket }), {
  kill: 'the hop passes on what the direct client gets, which is tested with kills',
});
