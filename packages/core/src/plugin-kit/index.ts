export { boundedOutput, boundedText } from './bounded-output.ts';
export {
  list,
  type OptionReader,
  oneOf,
  optional,
  readOptions,
  text,
  wholeNumber,
} from './options.ts';
export { RedactedOutputs } from './redacted-outputs.ts';
export { Redactor } from './redactor.ts';
export {
  anything,
  assertShape,
  choiceOf,
  isObject,
  issuesOf,
  jsonObject,
  listOf,
  nullOr,
  objectOf,
  recordOf,
  type Shape,
  stringOf,
  wholeNumberFrom,
} from './shape.ts';
