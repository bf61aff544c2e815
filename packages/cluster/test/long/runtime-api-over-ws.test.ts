import { testRuntimeApi } from '@worker-runtime/core/testing';
import test from 'ava';
import { WebSocket as WsWebSocket } from 'ws';
import { elsewhereHarness, LACKS } from '../elsewhere-harness.ts';

testRuntimeApi(
  test,
  () => elsewhereHarness({ webSocket: WsWebSocket as unknown as typeof WebSocket }),
  LACKS,
);
