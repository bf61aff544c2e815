import type { ComponentProps } from 'react';
import styles from './button.module.css';

interface Look {
  readonly tone?: 'plain' | 'primary' | 'danger' | 'quiet';
  /** Set for a button that is a symbol only. It then needs an `aria-label`. */
  readonly isIcon?: boolean;
}

export const buttonClass = ({ tone = 'plain', isIcon = false }: Look = {}): string =>
  [styles.button, tone === 'plain' ? '' : styles[tone], isIcon ? styles.icon : ''].filter(Boolean).join(' ');

/** A button. While it is disabled it keeps the focus, which a browser takes from a disabled element, and it neither acts nor submits a form. */
export const Button = ({
  tone,
  isIcon,
  className,
  disabled = false,
  onClick,
  ...rest
}: ComponentProps<'button'> & Look) => (
  <button
    type="button"
    className={[buttonClass({ ...(tone && { tone }), ...(isIcon && { isIcon }) }), className]
      .filter(Boolean)
      .join(' ')}
    aria-disabled={disabled || undefined}
    onClick={(event) => {
      if (disabled) event.preventDefault();
      else onClick?.(event);
    }}
    {...rest}
  />
);
