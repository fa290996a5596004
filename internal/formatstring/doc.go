// Package formatstring fills events into texts, as Filebeat's format strings
// do: index names, the folder of output.file, codec.format.
//
// # Syntax
//
//	%{[field.name]}            a field of the event; %{[field][name]} is the same
//	%{[field.name]:default}    with a text for when there is none, which may
//	                           hold such parts itself
//	%{+yyyy.MM.dd}             the event's time in UTC
//	\%                         the next character as it is
//
// Everything else stands for itself.
//
// # Values
//
// A text goes in as it is, a time as in @timestamp, numbers and booleans as Go
// writes them, lists and objects as JSON. A field that is missing or null and
// has no default is an error: there is no text then.
//
// # Dates
//
// Letters stand for parts of the time, and their number for the least number of
// digits: yyyy year (yy its last two digits), xxxx and ww year and week of ISO
// 8601, DDD day of the year, MM month (MMM Jan, MMMM January), dd day, e day of
// the week from Monday = 1 (EEE Mon, EEEE Monday), HH hour, hh hour of 1 to 12,
// KK of 0 to 11, kk of 1 to 24, a AM or PM, mm minute, ss second, SSS digits
// of the second's fraction, n nanoseconds, z the offset, CC century. 'text' is
// taken as it is, and so is what is no letter.
package formatstring
