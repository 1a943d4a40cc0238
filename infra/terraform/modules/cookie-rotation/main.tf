data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account = data.aws_caller_identity.current.account_id
  arn     = "arn:${data.aws_partition.current.partition}"
  scope   = "${data.aws_region.current.name}:${local.account}"
  secrets = [for secret in var.secrets : secret.arn]
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_115:a limit of its own would take from the account's pool, and a throttled rotation fails
  #checkov:skip=CKV_AWS_272:the archive is built, attested and deployed by one workflow; a signing profile would add a key without adding a check
  function_name    = var.name
  description      = "Secrets Manager's four steps of rotation for ${join(", ", keys(var.secrets))}"
  role             = aws_iam_role.this.arn
  runtime          = "provided.al2023"
  handler          = "bootstrap"
  architectures    = ["x86_64"]
  filename         = var.archive
  source_code_hash = filebase64sha256(var.archive)
  timeout          = 60
  memory_size      = 256
  kms_key_arn      = var.key_arn

  environment {
    variables = { AUTOREPOST_LOG_FORMAT = "json" }
  }

  # In the VPC, so that TikTok sees a session tested from the address that will use it.
  vpc_config {
    subnet_ids         = var.subnet_ids
    security_group_ids = [var.security_group_id]
  }

  dead_letter_config {
    target_arn = aws_sqs_queue.failed.arn
  }

  tracing_config {
    mode = "Active"
  }

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.this.name
  }

  depends_on = [aws_iam_role_policy.this]
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.logs_key_arn
}

resource "aws_sqs_queue" "failed" {
  name                      = "${var.name}-failed"
  kms_master_key_id         = var.logs_key_arn
  message_retention_seconds = 1209600
}

resource "aws_lambda_permission" "this" {
  for_each = var.secrets

  statement_id   = "rotate-${each.key}"
  action         = "lambda:InvokeFunction"
  function_name  = aws_lambda_function.this.function_name
  principal      = "secretsmanager.amazonaws.com"
  source_account = local.account
  source_arn     = each.value.arn
}

# Not at once: the first value is put by a person, and a rotation of nothing would only fail.
resource "aws_secretsmanager_secret_rotation" "this" {
  #checkov:skip=CKV_AWS_304:90 days at most, by the validation of var.secrets
  for_each = var.secrets

  secret_id           = each.value.arn
  rotation_lambda_arn = aws_lambda_function.this.arn
  rotate_immediately  = false

  rotation_rules {
    automatically_after_days = each.value.days
  }

  depends_on = [aws_lambda_permission.this]
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "this" {
  statement {
    sid       = "RotateSecrets"
    actions   = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage"]
    resources = local.secrets
  }

  statement {
    sid       = "UseKey"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = [for service in ["lambda", "secretsmanager"] : "${service}.${data.aws_region.current.name}.amazonaws.com"]
    }
  }

  statement {
    sid       = "ReportFailure"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.failed.arn]
  }

  statement {
    sid       = "SealFailure"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.logs_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["sqs.${data.aws_region.current.name}.amazonaws.com"]
    }
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this.arn}:*"]
  }

  statement {
    sid       = "TraceAndLookAtNetwork"
    actions   = ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    resources = ["*"] # AWS has no resource for these actions.
  }

  statement {
    sid     = "JoinNetwork"
    actions = ["ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:UnassignPrivateIpAddresses"]
    resources = concat(
      ["${local.arn}:ec2:${local.scope}:network-interface/*", "${local.arn}:ec2:${local.scope}:security-group/${var.security_group_id}"],
      [for subnet in var.subnet_ids : "${local.arn}:ec2:${local.scope}:subnet/${subnet}"],
    )
  }

  # The network is joined by Lambda on the role's behalf; the code itself may not touch it.
  statement {
    sid       = "CodeLeavesNetworkAlone"
    effect    = "Deny"
    actions   = ["ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:UnassignPrivateIpAddresses"]
    resources = ["*"]

    condition {
      test     = "ArnEquals"
      variable = "lambda:SourceFunctionArn"
      values   = ["${local.arn}:lambda:${local.scope}:function:${var.name}"]
    }
  }
}

resource "aws_iam_role" "this" {
  name               = var.name
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy" "this" {
  name   = "rotate"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.this.json
}
