"""The commands: how each is called, and what it does.

Modules of two kinds, so that ``--help`` waits for click only. These declare commands, with their
options and their help, and import what does the work inside:

============  ===========================================  =================================
`submit`      ``submit``                                   `submission`, `show`
`gateway`     ``watch results cancel sessions status``     `remote`, `watching`
              ``nodes doctor``                             `doctor`
`demo`        ``demo``                                     `demonstration`
`generate`    ``generate``                                 `coffeeshop.generate`
`node`        ``run-node``                                 `coffeeshop.service`
`serve`       ``serve``                                    `coffeeshop.service`
`login`       ``login logout``                             `coffeeshop.logins`
`logs`        ``logs``                                     `log_lines`
`access`      ``token``; options about who may do what     `coffeeshop.gateway.security.tokens`
`completion`  ``completion``                               click
============  ===========================================  =================================

Shared by them: `help` (how help looks), `types` (values of options), `tracing` (an option) and
`advice` (what a user can do about an error).
"""
