// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

// text reads a string and returns what is between the quotes, and whether it holds
// escapes.
func (s *scanner) text() (raw []byte, escaped bool, err error) {
	if s.peek() != '"' {
		return nil, false, s.missing('"')
	}
	s.i++
	start := s.i
	for {
		s.i += plain(s.b[s.i:])
		switch s.peek() {
		case '"':
			raw = s.b[start:s.i]
			s.i++
			return raw, escaped, nil
		case '\\':
			escaped = true
			if err := s.escape(); err != nil {
				return nil, false, err
			}
		default:
			if s.i >= len(s.b) {
				return nil, false, s.fail("a string without an end")
			}
			return nil, false, s.fail("a control character in a string")
		}
	}
}

// escape reads an escape sequence, which must be the one canonical form has.
func (s *scanner) escape() error {
	if s.i+1 >= len(s.b) {
		return s.fail("a string without an end")
	}
	switch s.b[s.i+1] {
	case '"', '\\', 'b', 't', 'n', 'f', 'r':
		s.i += 2
		return nil
	case 'u':
		if s.i+6 > len(s.b) {
			return s.fail("an escape without an end")
		}
		hex := s.b[s.i+2 : s.i+6]
		lower := hex[3] >= '0' && hex[3] <= '9' || hex[3] >= 'a' && hex[3] <= 'f'
		if hex[0] != '0' || hex[1] != '0' || hex[2] != '0' && hex[2] != '1' || !lower {
			return s.fail("an escape that canonical form does not have")
		}
		if hex[2] == '0' && (hex[3] == '8' || hex[3] == '9' || hex[3] == 'a' || hex[3] == 'c' || hex[3] == 'd') {
			return s.fail("an escape for which canonical form has a shorter one")
		}
		s.i += 6
		return nil
	default:
		return s.fail("an escape that canonical form does not have")
	}
}

// appendUnescaped appends what a string stands for; raw has been checked.
func appendUnescaped(dst, raw []byte) []byte {
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			dst = append(dst, raw[i])
			continue
		}
		i++
		switch c := raw[i]; c {
		case 'b':
			dst = append(dst, '\b')
		case 't':
			dst = append(dst, '\t')
		case 'n':
			dst = append(dst, '\n')
		case 'f':
			dst = append(dst, '\f')
		case 'r':
			dst = append(dst, '\r')
		case 'u':
			low := raw[i+4]
			if low >= 'a' {
				low -= 'a' - 10
			} else {
				low -= '0'
			}
			dst = append(dst, (raw[i+3]-'0')<<4|low)
			i += 4
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
