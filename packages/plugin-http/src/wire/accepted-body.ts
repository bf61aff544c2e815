import { RuntimeError } from '@worker-runtime/core';
import type { HttpRequest } from '../message/http-request.ts';

const MEDIA_TYPE = /^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+$/;

/** Returns the media type of a `Content-Type` header, without its parameters and in lower case. */
const mediaTypeOf = (contentType: string): string => {
  const end = contentType.indexOf(';');
  return (end === -1 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
};

/** Checks the media type of a body. @throws UNSUPPORTED_MEDIA_TYPE it is none, or the route takes JSON alone */
export const assertTakesType = ({ route, headers }: HttpRequest, hasBody: boolean): void => {
  const contentType = headers['content-type'];
  if (contentType === 'application/json') return;
  const isTaken =
    contentType === undefined
      ? !hasBody || route?.takesBytes
      : route?.takesBytes
        ? MEDIA_TYPE.test(mediaTypeOf(contentType))
        : mediaTypeOf(contentType) === 'application/json';
  if (!isTaken)
    throw new RuntimeError(
      'UNSUPPORTED_MEDIA_TYPE',
      'Send the body as application/json, and a file with its own media type',
    );
};
