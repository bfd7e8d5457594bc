# Completion of mozzie in PowerShell, also under the names of mosquitto's clients: mozzie itself says what may stand
# where.

Register-ArgumentCompleter -Native -CommandName 'mozzie', 'mosquitto_pub', 'mosquitto_sub', 'mosquitto_rr' -ScriptBlock {
    param($word, $line, $cursor)
    $words = @($line.CommandElements |
            Where-Object { $_.Extent.EndOffset -lt $cursor -or ($_.Extent.EndOffset -eq $cursor -and $word -eq '') } |
            ForEach-Object { if ($_ -is [System.Management.Automation.Language.StringConstantExpressionAst]) { $_.Value } else { "$_" } })
    $program = if ((Split-Path -Leaf $words[0]) -eq 'mozzie') { $words[0] } else { 'mozzie' }
    $kind, $lines = & $program complete "--word=$word" '--' @words 2>$null
    switch ($kind) {
        { $_ -in 'files', 'folders' } {
            # A candidate stands in place of the whole word, the --name= before a path included.
            $prefix = if ($word -match '^--[^=]*=') { $Matches[0] } else { '' }
            [System.Management.Automation.CompletionCompleters]::CompleteFilename($word.Substring($prefix.Length)) |
                Where-Object { $kind -eq 'files' -or $_.ResultType -eq 'ProviderContainer' } |
                ForEach-Object {
                    [System.Management.Automation.CompletionResult]::new(
                        $prefix + $_.CompletionText, $_.ListItemText, $_.ResultType, $_.ToolTip)
                }
        }
        'commands' {
            [System.Management.Automation.CompletionCompleters]::CompleteCommand($word)
        }
        'words' {
            foreach ($candidate in $lines) {
                $text, $help = $candidate -split "`t", 2
                if (-not $help) { $help = $text }
                [System.Management.Automation.CompletionResult]::new($text, $text, 'ParameterValue', $help)
            }
        }
    }
}
